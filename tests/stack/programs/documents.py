"""Word, Excel, PowerPoint, Visio."""

import docx
import docx2python
import docxtpl
import mammoth
import openpyxl
import pandas as pd
import pptx
import vsdx
import xlrd
import xlsxwriter

letter = docx.Document()
letter.add_heading("Dear {{ name }}")
letter.save("template.docx")
template = docxtpl.DocxTemplate("template.docx")
template.render({"name": "Ada"})
template.save("letter.docx")
assert "Dear Ada" in docx.Document("letter.docx").paragraphs[0].text
assert "Dear Ada" in docx2python.docx2python("letter.docx").text
assert "Dear Ada" in mammoth.convert_to_html(open("letter.docx", "rb")).value
with xlsxwriter.Workbook("t.xlsx") as book:
    sheet = book.add_worksheet()
    sheet.write_column(0, 0, [1, 2, 3])
    chart = book.add_chart({"type": "line"})
    chart.add_series({"values": "=Sheet1!$A$1:$A$3"})
    sheet.insert_chart("C1", chart)
assert openpyxl.load_workbook("t.xlsx").active["A3"].value == 3
assert pd.read_excel("t.xlsx", header=None)[0].sum() == 6
try:
    xlrd.open_workbook(file_contents=b"no spreadsheet")
except xlrd.XLRDError as error:
    assert "BOF" in str(error)
slides = pptx.Presentation()
slides.slides.add_slide(slides.slide_layouts[0]).shapes.title.text = "Hello"
slides.save("s.pptx")
assert pptx.Presentation("s.pptx").slides[0].shapes.title.text == "Hello"
try:
    vsdx.VisioFile("t.xlsx")
except Exception as error:
    assert not isinstance(error, ImportError), error
