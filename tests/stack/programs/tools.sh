# The programs that programs call, each at work.
set -euo pipefail
python3 -c "from reportlab.pdfgen import canvas; c = canvas.Canvas('a.pdf'); c.drawString(99, 700, 'Hello'); c.save()"
[ "$(pdftotext a.pdf - | head -1)" = Hello ]
pdfinfo a.pdf | grep -q '^Pages: *1$'
pdftoppm -r 30 -png a.pdf page
[ "$(file -b --mime-type page-1.png)" = image/png ]
convert page-1.png -resize 50% half.jpg
[ "$(identify -format %m half.jpg)" = JPEG ]
convert -size 200x60 -font DejaVu-Sans -pointsize 30 label:'Hello 42' label.png
[ "$(tesseract label.png - 2>/dev/null | head -1)" = 'Hello 42' ]
[ "$(echo '{"a": [1, 42]}' | jq '.a[1]')" = 42 ]
zip -q all.zip a.pdf half.jpg
[ "$(unzip -l all.zip | grep -c -e a.pdf -e half.jpg)" = 2 ]
fc-match 'Noto Sans CJK JP' | grep -q NotoSansCJK
fc-list | grep -q NotoEmoji-Regular
