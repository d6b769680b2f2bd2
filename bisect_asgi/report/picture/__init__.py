"""Pictures of a report as SVG: the history, the metric, and the course of the search.

A picture is one element: a page puts it in as it is, and `svg.document` makes a file of it. Shapes tell
verdicts and states apart as well as colors do, and every mark has a title. Colors are classes. The style
sheet defines them for light and for dark pages.
"""
