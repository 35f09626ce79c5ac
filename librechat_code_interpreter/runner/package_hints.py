"""Suggestions of installed packages for a failed import. Nothing is looked up before an import fails."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

_CLOSE: Final = 0.75
_MOST: Final = 3

_INSTEAD: Final = {
    name: others.split()
    for names, others in {
        "fitz pymupdf pypdf3 pypdf4 pypdfium2 pikepdf": "pypdf pdfplumber",
        "camelot tabula tika": "pdfplumber pypdf",
        "weasyprint pdfkit borb": "reportlab fpdf",
        "docx2txt python_docx textract": "docx docx2python",
        "markitdown pypandoc": "mammoth docx2python",
        "python_pptx aspose": "pptx",
        "xlwt pyexcel xlwings pylightxl": "openpyxl xlsxwriter",
        "pyxlsb": "openpyxl xlrd",
        "polars dask modin vaex chdb": "pandas duckdb",
        "pillow": "PIL",
        "opencv opencv_python": "cv2 skimage",
        "easyocr paddleocr": "pytesseract",
        "scikit_learn tensorflow torch keras xgboost lightgbm catboost": "sklearn",
        "scikit_image": "skimage",
        "prophet pmdarima lifelines arch": "statsmodels scipy",
        "bokeh pyecharts pygal plotnine ggplot": "plotly altair seaborn",
        "cartopy basemap contextily": "geopandas folium",
        "beautifulsoup4 beautifulsoup": "bs4",
        "html2text markdownify": "bs4 mammoth",
        "pyyaml ruamel": "yaml",
        "toml tomli": "tomllib",
        "simplejson ujson orjson": "json",
        "httpx aiohttp": "requests",
        "magic cchardet": "chardet",
        "pyzbar segno": "qrcode cv2",
    }.items()
    for name in names.split()
}
"""Packages with the same purpose, or the import name of a package that is installed under another name."""


def hint(missing: str) -> str | None:
    """Return a line about similar packages, or ``None`` if there are none or only a part of a package is missing."""
    package = missing.partition(".")[0]
    there = _names()
    if package in there:
        return None
    wanted = package.lower().replace("-", "_")
    near = [name for name in _INSTEAD.get(wanted, ()) if name in there] or _alike(wanted, there)
    return f"[sandbox] There is no package '{package}' here. Near it: {', '.join(near)}.\n" if near else None


def _alike(wanted: str, there: Iterable[str]) -> list[str]:
    import difflib

    by_lower = {name.lower(): name for name in there if not name.startswith("_")}
    return [by_lower[name] for name in difflib.get_close_matches(wanted, by_lower, _MOST, _CLOSE)]


def _names() -> set[str]:
    """Return the names that could be imported, without importing any."""
    import pkgutil

    return {*sys.stdlib_module_names, *(module.name for module in pkgutil.iter_modules())}
