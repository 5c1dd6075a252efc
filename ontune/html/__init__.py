"""The knowledge base as browsable HTML: a page for every source file, overviews of decisions, rules and
questions, and an index of all names.

One topic is one file, so the files are the chapters; what somebody adds becomes chapters too. The pages are
static, link to one another, and load nothing from a network.
"""

from ontune.html.site import write_site

__all__ = ["write_site"]
