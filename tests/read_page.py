"""What tests read from a page: its elements, its text, the table of the verdict."""

import re
from html.parser import HTMLParser

EMPTY = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}


class Reader(HTMLParser):
    """Elements, text, and whether everything that was opened was closed."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.words, self.wrong = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def column_of(page, head):
    """Cells of one column of the verdict, by system, in the order of the rows."""
    table = page[page.index('id="verdict"') :]
    heads, body = re.search(r"<thead>(.*?)</thead><tbody>(.*?)</tbody>", table, re.DOTALL).groups()
    names = [re.sub(r"<.*", "", name) for name in re.findall(r"<th[^>]*>(.*?)</th>", heads)]
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL):
        system = re.search(r'<th scope="row">\d+ ([^<]*)', row).group(1)
        found[system] = re.findall(r"<td[^>]*>(.*?)</td>", row)[names.index(head) - 1]
    return found
