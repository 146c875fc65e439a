import xml.etree.ElementTree as ET

from bert_tf.reporting.sections import (
    Chart,
    Section,
    Table,
    Text,
    to_html,
    to_markdown,
)

SECTIONS = [
    Section(
        "Errors & more",
        [
            Text("a < b | c\nd"),
            Table(
                [["x|y", 0.123456789, 3], ["<i>", [1, None], True]],
                ["name", "share", "n"],
                "By name",
                [[0.0, 0.25, 0.9], [0.0, 0.0, 0.0]],
            ),
        ],
    ),
    Section("Drawn", [Chart("<svg><rect/></svg>", Table([["loss", 2.0]]))]),
]


def test_html():
    page = ET.fromstring(f"<body>{to_html(SECTIONS)}</body>")
    assert [h.text for h in page.iter("h2")] == ["Errors & more", "Drawn"]
    assert page.find("p").text == "a < b | c\nd"
    assert page.find("h3").text == "By name"
    assert [cell.text for cell in page.iter("th")] == ["name", "share", "n"]
    cells = list(page.iter("td"))
    assert [cell.text for cell in cells] == [
        *("x|y", "0.12346", "3"),
        *("<i>", "[1, null]", "true"),
    ]
    assert [cell.get("style") for cell in cells] == [
        None,
        "background: rgba(31, 95, 168, 0.25)",
        "background: rgba(31, 95, 168, 0.90); color: #fff",
        *[None] * 3,
    ]
    assert len(list(page.iter("rect"))) == 1


def test_markdown():
    assert to_markdown(SECTIONS) == (
        "## Errors & more\n\n"
        "a &lt; b \\| c d\n\n"
        "**By name**\n\n"
        "| name | share | n |\n"
        "| --- | --- | --- |\n"
        "| x\\|y | 0.12346 | 3 |\n"
        "| &lt;i> | [1, null] | true |\n\n"
        "## Drawn\n\n"
        "|  |  |\n"
        "| --- | --- |\n"
        "| loss | 2 |\n"
    )


def test_a_table_without_rows_has_no_markdown():
    section = Section("Nothing", [Table([], ["a"], "Empty"), Table([])])
    assert to_markdown([section]) == "## Nothing\n"
