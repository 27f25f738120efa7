"""Write small xlsx files as spreadsheets write them: texts shared, cells left out where they are empty."""

import zipfile
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def write_xlsx(path, rows, **parts):
    """Write the rows of one sheet; `parts` take the place of those that are usual, by name."""
    texts, lines = [], []
    for number, row in enumerate(rows, start=1):
        cells = []
        for place, value in enumerate(row):
            name = f"{chr(ord('A') + place)}{number}"
            if value is None:
                continue
            if isinstance(value, str):
                cells.append(f'<c r="{name}" t="s"><v>{len(texts)}</v></c>')
                texts.append(f"<si><t>{escape(value)}</t></si>")
            else:
                cells.append(f'<c r="{name}"><v>{value}</v></c>')
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    usual = {
        "workbook": f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets><sheet name="a" sheetId="1" r:id="rId7"/>'
        "</sheets></workbook>",
        "links": '<Relationships><Relationship Id="rId7" Target="worksheets/sheet1.xml"/></Relationships>',
        "texts": f'<sst xmlns="{MAIN}">{"".join(texts)}</sst>',
        "sheet": f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>',
    }
    names = {"workbook": "xl/workbook.xml", "links": "xl/_rels/workbook.xml.rels", "texts": "xl/sharedStrings.xml"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in (usual | parts).items():
            archive.writestr(names.get(part, "xl/worksheets/sheet1.xml"), text)
    return path
