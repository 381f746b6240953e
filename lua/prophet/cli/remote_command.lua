--- prophet remote

local e = require "prophet.error"
local exchange = require "prophet.cli.exchange"

local function usage(message, hint)
  e.raise { code = "usage", message = message, hint = hint }
end

local function must(db, name)
  local remote = db.remotes[name]
  if remote then return remote end
  local names = {}
  for known in pairs(db.remotes) do names[#names + 1] = known end
  local near = e.closest(name, names)
  e.raise { code = "not_found", message = "there is no remote " .. name, value = name,
    hint = near and ("did you mean %s?"):format(near) or "prophet remote list shows them" }
end

-- What may be seen of it.
local function show(ctx, remote)
  local all = {}
  for name, value in pairs(remote) do all[name] = value end
  local line = ("%-12s %s"):format(all.name, all.url)
  for _, name in ipairs { "seal", "cacert", "proxy" } do
    if all[name] then line = ("%s  %s %s"):format(line, name, all[name] == "" and '""' or all[name]) end
  end
  ctx:result(all, line .. (all.token and "  with a token" or ""))
end

-- What was done: an object with --json; people are told of dry runs only.
local function told(ctx, value, what)
  if ctx.options.dry_run then return ctx:told(value, "would " .. what) end
  ctx:result(value, nil)
end

local verbs = {}

function verbs.add(ctx, name, url)
  local o = ctx.options
  local db = ctx:open()
  if db.remotes[name] then
    e.raise { code = "exists", message = ("there is a remote %s already"):format(name), value = name, hint = "remove it first, or rename it" }
  end
  local remote = { url = url, token = o.token_file and exchange.read_token(o.token_file) or nil, seal = o.seal, cacert = o.cacert, proxy = o.proxy }
  if not o.dry_run then
    db.remotes[name] = remote
    local place = db.remotes[name].url
    if place:find "^/" and not require "prophet.core".path_kind(place) then ctx:say(("there is nothing at %s now"):format(place)) end
  end
  told(ctx, { added = name, url = url }, ("add %s: %s"):format(name, url))
end

function verbs.list(ctx)
  for _, remote in pairs(ctx:open(true).remotes) do show(ctx, remote) end
end

function verbs.show(ctx, name)
  show(ctx, must(ctx:open(true), name))
end

function verbs.remove(ctx, name)
  local db = ctx:open()
  must(db, name)
  if not ctx.options.dry_run then db.remotes[name] = nil end
  told(ctx, { removed = name }, "remove " .. name)
end

function verbs.rename(ctx, from, to)
  local db = ctx:open()
  must(db, from)
  if not ctx.options.dry_run then db:rename_remote(from, to) end
  told(ctx, { renamed = from, to = to }, ("rename %s to %s"):format(from, to))
end

local wants = { add = { "NAME URL", 2 }, list = { "nothing more", 0 }, show = { "NAME", 1 }, remove = { "NAME", 1 }, rename = { "NAME NEW", 2 } }

return {
  name = "remote", args = "add|list|show|remove|rename ..", min = 0, max = 3, summary = "names for other replicas and depots",
  about = [[
prophet remote add NAME URL      URL is what pull takes; the options say how it is reached
prophet remote list
prophet remote show NAME
prophet remote remove NAME
prophet remote rename NAME NEW

A name stands for its URL, token and key wherever one exchanges. They are kept in a file of this replica that only its owner can read, and that is never
replicated; a token is never shown. clone makes a remote "origin".]],
  options = exchange.way_options,
  run = function(ctx)
    local verb = ctx.args[1] or "list"
    local want = wants[verb]
    if not want then
      local near = e.closest(verb, { "add", "list", "show", "remove", "rename" })
      usage(("remote can add, list, show, remove and rename, not %q"):format(verb), near and ("did you mean %s?"):format(near))
    end
    if #ctx.args - 1 ~= want[2] and #ctx.args > 0 then
      usage(("remote %s wants %s"):format(verb, want[1]), ("prophet remote %s%s"):format(verb, want[2] > 0 and " " .. want[1] or ""))
    end
    if verb ~= "add" then
      for _, option in ipairs(exchange.way_options) do
        if ctx.options[option.name:gsub("-", "_")] then usage(("remote %s has no use for --%s"):format(verb, option.name)) end
      end
    end
    verbs[verb](ctx, ctx.args[2], ctx.args[3])
  end,
}
