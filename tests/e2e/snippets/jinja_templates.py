import jinja2

env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, autoescape=True)
template = env.from_string("""
{% macro row(k, v) %}<td>{{ k }}</td><td>{{ v|default("-", true) }}</td>{% endmacro %}
{% for item in items|sort(attribute="name") %}
  {{ loop.index }}: {{ row(item.name|title, item.price) }}{% if not loop.last %},{% endif %}

{% else %}none{% endfor %}
{{ text|upper|truncate(9) }} {{ items|length }} {{ items|map(attribute="price")|sum }} {{ "<b>" }}
""")
print(template.render(items=[{"name": "pen", "price": 2}, {"name": "bag", "price": 0}], text="hello templates"))
try:
    env.from_string("{{ nothing.at.all }}").render()
except jinja2.UndefinedError as e:
    print(e)
try:
    env.from_string("{% if %}")
except jinja2.TemplateSyntaxError as e:
    print(e, e.lineno)
