--- prophet peers

return {
  name = "peers", max = 0, summary = "how remotes and other places stood when they were met last",
  about = [[
ahead: changesets here that it lacked when it was met last, with those that came since. behind: those it had then that are not here. Asks nobody:
pull --all meets them all.]],
  run = function(ctx)
    local db = ctx:open(true)
    for p in db:peers() do
      local seen = p.last_seen and tostring(p.last_seen):gsub("%.%d+Z$", "Z") or "never"
      local how = p.ahead and ("%d ahead, %d behind"):format(p.ahead, p.behind) or ""
      ctx:result(p, ("%-12s %-22s %-20s %s"):format(p.name or "", how, seen, p.url))
    end
  end,
}
