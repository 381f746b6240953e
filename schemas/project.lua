-- project: what this database is about, one record a name.
--
-- The values that tickets recommend are settings of the database, replicated like all records:
--   db.settings.components = { "core", "ui", "docs" }
--   db.settings.platforms = { "linux", "windows", "macos" }
local f = require "prophet.fields"

return f.record "project" {
  f.string "name"      { required = true, min = 1, max = 80, doc = "short, as in a path" },
  f.string "title"     { max = 200, fulltext = true },
  f.text   "about"     { fulltext = true },
  f.string "homepage"  { max = 500 },
  f.set    "maintainers" { of = "user", doc = "who to ask" },
  f.enum   "status"    { "active", "frozen", "ended", default = "active" },
  f.ref    "next_milestone" { to = "milestone" },

  key = { "name" },
  summary = "#{n} {name} {title}",
  doc = "what this database is about",
}
