"""A tab of the browser with the page in it, and what people do there."""

import csv
import io
from urllib.parse import urlencode

WAIT = 60_000  # milliseconds, for what takes a moment on a busy machine


class Tab:
    """A tab; `foreign` are requests to other hosts, `errors` what its console holds of them."""

    def __init__(self, context, site):
        self.context, self.site = context, site
        self.foreign, self.errors = [], []
        context.set_default_timeout(WAIT)
        context.on("request", self._note_request)
        self.page = context.new_page()
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note_request(self, request):
        if not request.url.startswith((self.site, "blob:", "data:")):
            self.foreign.append(request.url)

    def open(self, model=None, first=None, second=None):
        """Show a model and a sequence, as a link to them does; the page is loaded if it is not there yet."""
        fields = {"model": model, "sequence": first, "second": second}
        link = urlencode({name: value for name, value in fields.items() if value is not None})
        if self.page.url.startswith(self.site):
            self.page.evaluate("(link) => { history.replaceState(null, '', '#'); location.hash = link; }", link)
        else:
            self.page.goto(f"{self.site}#{link}")
        if model is not None:
            self.wait_for_text("#model-title", model)
        self.wait_for_text("#colophon", "onnxruntime-web")
        return self

    def type(self, first, second=None):
        """Put sequences in the boxes, and have them scored at once."""
        self.page.fill("#first", first)
        if second is not None:
            self.page.fill("#second", second)
        self.page.keyboard.press("Control+Enter")

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def wait(self, selector):
        self.page.wait_for_selector(selector)

    def wait_for_text(self, selector, text):
        """Wait until an element says something."""
        self.page.wait_for_function(
            "([selector, text]) => document.querySelector(selector).textContent.includes(text)", arg=[selector, text]
        )

    def download(self, button):
        """The file that a button gives: its name, and its rows."""
        with self.page.expect_download() as downloading:
            self.page.click(button)
        path = downloading.value.path()
        text = path.read_text(encoding="utf-8")
        return downloading.value.suggested_filename, list(csv.DictReader(io.StringIO(text, newline="")))

    def score(self):
        """The row that the score's button downloads."""
        self.wait("#score[aria-busy=false]")
        self.wait("#score-download:not([hidden])")
        return self.download("#score-download")[1][0]

    def mutants(self):
        self.wait("#score[aria-busy=false]")
        self.wait("#mutants-download:not([hidden])")
        return self.download("#mutants-download")[1]

    def residues(self):
        self.wait("#score[aria-busy=false]")
        self.wait("#residues-part:not([hidden])")
        return self.download("#residues-download")[1]

    def choose_file(self, path):
        """Choose a file; the page says what is in it."""
        self.page.set_input_files("#file", path)
        self.wait("#table-ready:not([hidden]), #table-fault:not(:empty)")

    def score_file(self, path):
        """Choose a file, have it scored, download what comes of it: its name, and its rows."""
        self.choose_file(path)
        self.page.click("#table-start")
        self.wait("#table-result:not([hidden]), #table-fault:not(:empty)")
        return self.download("#table-download")

    def check(self):
        """Nothing was asked of another host, and there was no error; what there was is forgotten."""
        foreign, errors = list(self.foreign), list(self.errors)
        self.foreign.clear()
        self.errors.clear()
        assert foreign == []
        assert errors == []

    def close(self):
        self.context.close()
