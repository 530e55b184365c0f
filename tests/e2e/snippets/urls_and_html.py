import html
import html.parser
import urllib.parse

u = urllib.parse.urlsplit("https://user:pw@example.com:8443/a%20b/?q=1&q=2&z=%C3%BC#frag")
print(u.hostname, u.port, urllib.parse.unquote(u.path), urllib.parse.parse_qs(u.query), u.fragment)
print(urllib.parse.urlencode({"a": "b c", "ü": [1, 2]}, doseq=True), urllib.parse.urljoin("http://x/a/b", "../c?d"))
print(urllib.parse.quote("a/b c?"), html.escape('<a href="x">'), html.unescape("&lt;&eacute;&#x263A;&gt;"))


class Links(html.parser.HTMLParser):
    def handle_starttag(self, tag, attrs):
        print(tag, dict(attrs))


Links().feed('<p>see <a href="/x?a=1&amp;b=2" class=c>x</a><br/></p>')
