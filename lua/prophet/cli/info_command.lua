--- prophet info

return {
  name = "info", summary = "which database this is, and how it stands",
  run = function(ctx)
    local db = ctx:read()
    local open = 0
    for _ in db:conflicts { status = "open" } do open = open + 1 end
    local stats = db:stats()
    local info = { path = ctx:database(), id = db.id, replica = db.replica, user = db.user, records = stats.records, replicas = stats.replicas,
      version = db:version(), digest = db:digest(), head = db:head(), conflicts = open }
    local lines = { info.path }
    for _, name in ipairs { "id", "replica", "user", "records", "replicas", "version", "digest" } do
      lines[#lines + 1] = ("  %-10s %s"):format(name, info[name] or "")
    end
    lines[#lines + 1] = ("  conflicts  %d open"):format(open)
    ctx:result(info, table.concat(lines, "\n"))
  end,
}
