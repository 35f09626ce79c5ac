"""Content types by file name extension, from a table of our own.

Python's table differs between releases (3.11 lacks ``.xlsx``), and ``/etc/mime.types`` differs between machines.
The names are those of the IANA registry, or the usual ones where the registry has none.
"""

from __future__ import annotations

import os

UNKNOWN = "application/octet-stream"

_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"

_EXTENSIONS_BY_TYPE = {
    # text and data
    "text/plain": "txt text log ini cfg conf env diff patch srt bat c h cc cpp cxx hpp java go rs d f f90 r rmd kt"
    " swift php rb pl lua jl sql",
    "text/markdown": "md markdown",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv tab",
    "text/html": "html htm",
    "text/css": "css",
    "text/javascript": "js mjs cjs",
    "text/x-typescript": "ts tsx jsx",
    "text/x-python": "py pyi",
    "text/x-rst": "rst",
    "text/calendar": "ics",
    "text/vcard": "vcf",
    "text/vtt": "vtt",
    "text/xml": "xml",
    "application/xslt+xml": "xsl xslt",
    "application/json": "json",
    "application/geo+json": "geojson",
    "application/ld+json": "jsonld",
    "application/jsonl": "jsonl ndjson",
    "application/yaml": "yaml yml",
    "application/toml": "toml",
    "application/x-ipynb+json": "ipynb",
    "application/x-sh": "sh bash zsh",
    "application/rtf": "rtf",
    "application/x-tex": "tex",
    "application/x-bibtex": "bib",
    "application/vnd.google-earth.kml+xml": "kml",
    "application/gpx+xml": "gpx",
    "message/rfc822": "eml mht mhtml",
    # documents
    "application/pdf": "pdf",
    "application/postscript": "ps eps ai",
    "application/epub+zip": "epub",
    "application/msword": "doc dot",
    "application/vnd.ms-excel": "xls xlt",
    "application/vnd.ms-powerpoint": "ppt pot pps",
    f"{_OFFICE}.wordprocessingml.document": "docx",
    f"{_OFFICE}.wordprocessingml.template": "dotx",
    f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
    f"{_OFFICE}.spreadsheetml.template": "xltx",
    f"{_OFFICE}.presentationml.presentation": "pptx",
    f"{_OFFICE}.presentationml.slideshow": "ppsx",
    f"{_OFFICE}.presentationml.template": "potx",
    "application/vnd.ms-excel.sheet.macroenabled.12": "xlsm",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": "xlsb",
    f"{_OPEN_DOCUMENT}.text": "odt",
    f"{_OPEN_DOCUMENT}.spreadsheet": "ods",
    f"{_OPEN_DOCUMENT}.presentation": "odp",
    f"{_OPEN_DOCUMENT}.graphics": "odg",
    "application/vnd.ms-outlook": "msg",
    # data sets and models
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apache.arrow.file": "arrow feather",
    "application/x-hdf5": "h5 hdf5 hdf",
    "application/x-netcdf": "nc cdf",
    "application/vnd.sqlite3": "sqlite sqlite3 db",
    "application/wasm": "wasm",
    # pictures
    "image/png": "png",
    "image/apng": "apng",
    "image/jpeg": "jpg jpeg jpe jfif",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/bmp": "bmp",
    "image/tiff": "tif tiff",
    "image/svg+xml": "svg svgz",
    "image/vnd.microsoft.icon": "ico",
    "image/vnd.adobe.photoshop": "psd",
    # sound and film
    "audio/mpeg": "mp3 mp2",
    "audio/wav": "wav",
    "audio/ogg": "ogg oga opus",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/mp4": "m4a",
    "audio/midi": "mid midi",
    "video/mp4": "mp4 m4v",
    "video/webm": "webm",
    "video/mpeg": "mpg mpeg",
    "video/quicktime": "mov",
    "video/x-msvideo": "avi",
    "video/x-matroska": "mkv",
    # fonts and archives
    "font/ttf": "ttf",
    "font/otf": "otf",
    "font/woff": "woff",
    "font/woff2": "woff2",
    "application/zip": "zip whl",
    "application/gzip": "gz tgz",
    "application/x-bzip2": "bz2",
    "application/x-xz": "xz",
    "application/zstd": "zst",
    "application/x-7z-compressed": "7z",
    "application/x-tar": "tar",
    "application/vnd.rar": "rar",
    "application/java-archive": "jar",
}
_TYPES = {extension: type_ for type_, extensions in _EXTENSIONS_BY_TYPE.items() for extension in extensions.split()}


def content_type_of(path: str) -> str:
    """Return the content type that a file's name suggests; ``UNKNOWN`` for other names."""
    return _TYPES.get(os.path.splitext(path)[1][1:].lower(), UNKNOWN)
