"""Text and data formats."""

import bs4
import chardet
import html5lib
import jinja2
import jq
import lxml.etree
import markdown
import requests
import yaml

assert bs4.BeautifulSoup("<p>one<p>two", "html5lib").find_all("p")[1].text == "two"
assert html5lib.parse("<p>one") is not None
assert chardet.detect("Grüße aus Köln, schöne Füße".encode())["encoding"].lower() == "utf-8"
assert jinja2.Template("{{ 6 * 7 }}").render() == "42"
assert lxml.etree.fromstring("<a><b/></a>")[0].tag == "b"
assert markdown.markdown("# one") == "<h1>one</h1>"
assert yaml.safe_load("a: [1, 2]") == {"a": [1, 2]}
assert jq.compile(".a").input_value({"a": 42}).first() == 42
try:
    requests.get("http://192.0.2.1/", timeout=2)
except requests.ConnectionError:
    pass
