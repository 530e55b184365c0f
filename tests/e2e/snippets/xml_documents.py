import os
import tempfile
import xml.dom.minidom
import xml.etree.ElementTree as ET
import xml.sax

root = ET.fromstring('<order id="7"><item n="2">pen</item><item>b&amp;g</item><note xmlns="urn:n">hi</note></order>')
print(root.get("id"), [(i.text, i.get("n", "1")) for i in root.iter("item")], root.find("{urn:n}note").text)
ET.SubElement(root, "total").text = "42"
ET.indent(root)
path = os.path.join(tempfile.mkdtemp(), "o.xml")
ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
print(open(path).read(), ET.parse(path).getroot().findtext("total"))
print(xml.dom.minidom.parseString("<a><b/></a>").toprettyxml(indent=" "))
try:
    ET.fromstring("<a><b></a>")
except ET.ParseError as e:
    print(e)
