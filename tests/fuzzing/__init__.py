"""The fuzz campaign.

`readers` say what is read and how, `inputs` what they are given, `campaign` runs and judges it in children
that can be killed.
"""
