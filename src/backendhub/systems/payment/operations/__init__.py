"""What is served: each module declares the operations of a part, importing it is enough."""
