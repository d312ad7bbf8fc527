"""Films and series from The Movie Database: lists, search, people, a watch list, local recommendations."""
