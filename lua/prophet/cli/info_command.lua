--- prophet info

local strict = require "prophet.strict"

local members = { path = true, id = true, replica = true, user = true, version = true, digest = true, head = true, conflicts = true, records = true,
  replicas = true }

return {
  name = "info", past = true, summary = "which database this is, and how it stands",
  run = function(ctx)
    local db = ctx:read()
    local open = 0
    for _ in db:conflicts { status = "open" } do open = open + 1 end
    local info = { path = ctx:database(), id = db.id, replica = db.replica, user = db.user, version = db:version(), digest = db:digest(),
      head = db:head(), conflicts = open }
    if not ctx.options.at then -- these count all that was ever met here
      local stats = db:stats()
      info.records, info.replicas = stats.records, stats.replicas
    end
    local lines = { info.path }
    for _, name in ipairs { "id", "replica", "user", "records", "replicas", "version", "digest" } do
      if info[name] then lines[#lines + 1] = ("  %-10s %s"):format(name, info[name]) end
    end
    lines[#lines + 1] = ("  conflicts  %d open"):format(open)
    ctx:result(info, table.concat(lines, "\n"), function(name)
      if not members[name] then strict.unknown("info", name, { members }) end
      return info[name]
    end)
  end,
}
