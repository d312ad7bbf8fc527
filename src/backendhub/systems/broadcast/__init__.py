"""One message to everyone: WebSocket, server-sent events and the Pusher protocol, with history and replay."""
