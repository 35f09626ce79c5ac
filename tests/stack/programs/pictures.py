"""Pictures, drawn, read, changed, recognised."""

import barcode
import cairosvg
import cv2
import exifread
import imageio.v3
import matplotlib.pyplot as plt
import numpy as np
import plotly.express
import pytesseract
import qrcode
import seaborn
import skimage.filters
import wordcloud
from PIL import Image, ImageDraw, ImageFont

plt.figure()
seaborn.lineplot(x=[1, 2, 3], y=[1, 4, 9])
plt.savefig("line.jpg")
plotly.express.line(x=[1, 2], y=[3, 4]).write_html("line.html")
assert imageio.v3.imread("line.jpg").ndim == cv2.imread("line.jpg").ndim == 3
assert cv2.QRCodeDetector().detectAndDecode(np.array(qrcode.make("hello").convert("RGB")))[0] == "hello"
assert skimage.filters.gaussian(np.eye(9), 1).shape == (9, 9)
assert exifread.process_file(open("line.jpg", "rb")) == {}
barcode.get("ean13", "123456789012").save("bars")
wordcloud.WordCloud().generate("one two two three three three").to_file("words.png")
cairosvg.svg2png(
    b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>', write_to="r.png"
)
assert Image.open("r.png").size == (9, 9)
picture = Image.new("RGB", (300, 80), "white")
font = ImageFont.truetype(plt.matplotlib.get_data_path() + "/fonts/ttf/DejaVuSans.ttf", 40)
ImageDraw.Draw(picture).text((20, 15), "Hello 42", "black", font)
assert pytesseract.image_to_string(picture).strip() == "Hello 42"
