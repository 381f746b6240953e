--- prophet info

return {
  name = "info", summary = "which database this is, and how it stands",
  run = function(ctx)
    local db = ctx:read()
    local open = 0
    for _ in db:conflicts { status = "open" } do open = open + 1 end
    local info = { path = ctx:database(), version = db:version(), digest = db:digest(), head = db:head(), conflicts = open }
    ctx:result(info, ("%s\n  version    %d\n  digest     %s\n  conflicts  %d open"):format(info.path, info.version, info.digest, open))
  end,
}
