"""The rules of the blog: people, articles, comments. Every function takes the transaction first."""
