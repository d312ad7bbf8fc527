// Express 5 returning one object from memory.
const express = require("express");
const task = JSON.parse(process.env.TASK);
const app = express();
app.get("/tasks/:id", (request, response) => response.json({ ...task, id: Number(request.params.id) }));
app.listen(Number(process.env.PORT), "127.0.0.1");
