--- prophet adopt

return {
  name = "adopt", summary = "keep the key of a replica that was moved, not copied",
  about = [[A directory that was copied goes on under a key of its own, so that two replicas never write under one name. One that was moved looks the
same: adopt it before anything else is done with it, and it stays the replica that it was. Never adopt while the other copy is in use.]],
  run = function(ctx)
    local path = ctx:database()
    local db = ctx:adopt(ctx.prophet.open(path, { readonly = true }))
    if ctx.options.dry_run then return ctx:told({ adopted = path }, "would keep the key of " .. path) end
    db:adopt()
    ctx:told({ adopted = path }, "it goes on under its own key")
  end,
}
