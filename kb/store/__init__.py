"""The store with its sources and snapshots, and the files and folders that everything lies in."""
