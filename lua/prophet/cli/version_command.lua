--- prophet version

return {
  name = "version", summary = "which Prophet this is",
  run = function(ctx)
    local version = ctx.prophet.version
    ctx:result({ version = version }, "prophet " .. version)
  end,
}
