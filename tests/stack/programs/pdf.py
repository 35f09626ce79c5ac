"""PDF, written and read."""

import fpdf
import pdf2image
import pdfplumber
import pypdf
import PyPDF2
from pdfminer.high_level import extract_text
from reportlab.graphics import renderPDF
from reportlab.pdfgen import canvas
from svglib.svglib import svg2rlg

page = canvas.Canvas("a.pdf")
page.drawString(100, 700, "Hello from reportlab")
page.save()
other = fpdf.FPDF()
other.add_page()
other.set_font("helvetica", size=12)
other.cell(text="Hello from fpdf")
other.output("b.pdf")
for name, text in (("a.pdf", "Hello from reportlab"), ("b.pdf", "Hello from fpdf")):
    assert pypdf.PdfReader(name).pages[0].extract_text().strip() == text
    assert PyPDF2.PdfReader(name).pages[0].extract_text().strip() == text
    assert extract_text(name).strip() == text
    with pdfplumber.open(name) as document:
        assert document.pages[0].extract_text() == text
    assert pdf2image.convert_from_path(name, dpi=40)[0].size[0] > 300
open("d.svg", "w").write('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4"/></svg>')
renderPDF.drawToFile(svg2rlg("d.svg"), "d.pdf")
