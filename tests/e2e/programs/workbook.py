import sys

import openpyxl

n = int(200 * float(sys.argv[1]))
book = openpyxl.Workbook()
sheet = book.active
sheet.title = "Figures"
for i in range(n):
    sheet.append([i, i * i, f"row {i}"])
sheet["D1"] = "=SUM(B1:B10)"
book.create_sheet("Empty")
book.save("book.xlsx")
again = openpyxl.load_workbook("book.xlsx")
print(again.sheetnames, again["Figures"].max_row, again["Figures"]["B3"].value, again["Figures"]["D1"].value)
print(sum(row[1].value for row in openpyxl.load_workbook("book.xlsx", read_only=True)["Figures"].iter_rows(max_row=50)))
