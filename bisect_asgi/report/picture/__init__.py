"""Pictures of a report as SVG: the history, the metric, and the course of the search.

A picture is one element: a page inserts it unchanged, and `svg.document` makes a file of it. Verdicts and
states differ in shape as well as in color, and every mark has a title, so that no reader depends on colors.
Colors are classes, which the style sheet defines for light and for dark pages.
"""
