--- prophet peers

local e = require "prophet.error"
local progress = require "prophet.cli.progress"

local function known(ctx, db)
  for p in db:peers() do
    local seen = p.last_seen and tostring(p.last_seen):gsub("%.%d+Z$", "Z") or "never"
    local how = p.ahead and ("%d ahead, %d behind"):format(p.ahead, p.behind) or ""
    ctx:result(p, ("%-12s %-22s %-20s %s"):format(p.name or "", how, seen, p.url or "came here: " .. p.replica:sub(1, 12)))
  end
end

-- Looking for some seconds is what may be interrupted.
local function nearby(ctx, db)
  local found = progress.run(ctx, function()
    local list = {}
    for p in db:peers { discover = true } do list[#list + 1] = p end
    return list
  end)
  for _, p in ipairs(found) do ctx:result(p, ("%-40s replica %s"):format(p.url, p.replica:sub(1, 8))) end
  if #found == 0 then ctx:say "nobody nearby serves this database" end
end

local function forget(ctx, db, peer)
  if not ctx.options.dry_run then
    db:forget_peer(peer)
    return ctx:result({ forgot = peer }, nil)
  end
  local there = false
  for p in db:peers() do there = there or p.last_seen and (p.url == peer or p.name == peer or p.replica and p.replica:sub(1, #peer) == peer) end
  if not there then e.raise { code = "not_found", message = ("no peer %s"):format(peer), value = peer, hint = "prophet peers lists them" } end
  ctx:told({ forgot = peer }, "would forget " .. peer)
end

return {
  name = "peers", max = 0, summary = "how remotes and other places stood when they were met last",
  about = [[
Also who pulled from this replica or pushed to it over a network, while it was served: "came here" and the start of its id.
ahead: changesets here that it lacked when it was met last, with those that came since. behind: those it had then that are not here. Asks nobody:
pull --all meets them all. With --discover instead: who serves this database on the local network and says so (prophet serve --announce).]],
  options = {
    { name = "forget", value = "PEER", doc = "takes one out: its place, or the start of its id if it came here" },
    { name = "discover", doc = "look around on the local network (DNS-SD, by avahi), for 3 seconds" },
  },
  run = function(ctx)
    local db = ctx:open(not ctx.options.forget)
    if ctx.options.forget then return forget(ctx, db, ctx.options.forget) end
    return (ctx.options.discover and nearby or known)(ctx, db)
  end,
}
