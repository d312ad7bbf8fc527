"""The Todo-Backend API, in memory."""
