// The article list of Conduit with Express 5 and better-sqlite3, over the very database file that ours serves.
const express = require("express");
const Database = require("better-sqlite3");
const db = new Database(process.env.DATABASE, { readonly: true });
db.pragma("cache_size = -32000");
const list = db.prepare(`
  SELECT a.slug, a.title, a.description, a.tags, a.created_at, a.updated_at, a.favorites, u.username, p.bio, p.image,
    EXISTS (SELECT 1 FROM blog_favorite f WHERE f.user_id = @viewer AND f.article_id = a.id) AS favorited,
    EXISTS (SELECT 1 FROM blog_follow w WHERE w.follower_id = @viewer AND w.author_id = a.author_id) AS following
  FROM blog_article a JOIN accounts_user u ON u.id = a.author_id LEFT JOIN blog_profile p ON p.id = a.author_id
  WHERE a.publish_at <= @now ORDER BY a.publish_at DESC, a.id DESC LIMIT @limit OFFSET @offset`);
const count = db.prepare("SELECT count(*) AS n FROM blog_article WHERE publish_at <= @now");

const whole = (text, fallback) => {
  const number = text === undefined ? fallback : Number(text);
  if (!Number.isInteger(number) || number < 0) throw new Error("limit and offset are whole numbers");
  return number;
};
const app = express();
app.get("/api/articles", (request, response) => {
  const now = new Date().toISOString();
  const limit = whole(request.query.limit, 20);
  const offset = whole(request.query.offset, 0);
  const rows = list.all({ viewer: null, now, limit, offset });
  response.json({
    articles: rows.map((row) => ({
      slug: row.slug,
      title: row.title,
      description: row.description,
      tagList: JSON.parse(row.tags),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      favorited: Boolean(row.favorited),
      favoritesCount: row.favorites,
      author: { username: row.username, bio: row.bio, image: row.image, following: Boolean(row.following) },
    })),
    articlesCount: count.get({ now }).n,
  });
});
app.listen(Number(process.env.PORT), "127.0.0.1");
