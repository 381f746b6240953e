-- attachment: a file that belongs to a ticket or a comment: what it is called, what it is, how long it is.
local f = require "prophet.fields"

-- A name is shown to people and offered for saving: it never is a path.
local function plain_name(v) return (v:gsub("^.*[/\\]", ""):gsub("%c", "")) end

return f.record "attachment" {
  f.ref    "ticket"  { to = "ticket", index = true, immutable = true },
  f.ref    "comment" { to = "comment", index = true, immutable = true },
  f.string "name"    { required = true, min = 1, max = 255, canon = plain_name, fulltext = true, index = true },
  f.string "media"   { default = "application/octet-stream", max = 127, index = true,
    check = function(v)
      if not v:find "^[%w!#$&^_.+-]+/[%w!#$&^_.+-]+$" then return false, 'a media type looks like "text/plain"' end
      return true
    end },
  f.int    "size"    { min = 0 },
  f.text   "about"   { fulltext = true },
  f.user   "author"  { immutable = true, default = function(_, ctx) return ctx.user end },
  f.time   "created" { immutable = true, default = function(_, ctx) return ctx.now end },

  summary = "#{n} {name:30} {media} {size}",
  doc = "a file that belongs to a ticket or a comment",

  validate = function(a, ctx)
    if not a:get "ticket" and not a:get "comment" then
      ctx.error("ticket", "an attachment belongs to a ticket or a comment")
    end
  end,
}
