"""A study report as one HTML page: charts, tables, style."""
