"""What a run wrote, for tests to look at, and the table that it was given, for them to change."""

import csv
import json


def rows(folder):
    return list(csv.DictReader((folder / "cases.csv").read_text().splitlines()))


def stages(folder):
    return json.loads((folder / "run.json").read_text())["stages"]


def edit(table, change):
    lines = list(csv.DictReader(table.read_text().splitlines()))
    for line in lines:
        change(line)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
