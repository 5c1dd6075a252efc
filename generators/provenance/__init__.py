"""Where the content of a bundle comes from: locks, the bill of materials, the reason of each line."""
