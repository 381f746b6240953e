--- prophet settings

local e = require "prophet.error"
local format = require "prophet.format"

return {
  name = "settings", args = "[NAME [VALUE ...]]", summary = "settings that all replicas share",
  about = "With values, sets the list of them; --text sets one text; --unset takes the setting away.",
  options = { { name = "text", doc = "the value is one text, not a list" }, { name = "unset", doc = "take it away" } },
  run = function(ctx)
    local name = ctx.args[1]
    if #ctx.args > 1 or ctx.options.unset then
      if not name then e.raise { code = "usage", message = "which setting?", hint = "prophet settings NAME --unset" } end
      local db = ctx:open()
      local value = table.move(ctx.args, 2, #ctx.args, 1, {})
      if ctx.options.text then value = table.concat(value, " ") end
      if ctx.options.unset then value = nil end
      ctx:change(db, nil, function() db.settings[name] = value end)
      local dry = ctx.options.dry_run
      local would = value == nil and "would unset " .. name or ("would set %s: %s"):format(name, format.plain(value))
      return ctx:result({ name = name, value = value, dry_run = dry }, dry and not ctx.options.quiet and would or nil)
    end
    local db = ctx:read()
    local found = false
    for key, value in pairs(db.settings) do
      if not name or key == name then
        found = true
        ctx:result({ name = key, value = value }, ("%s: %s"):format(key, format.plain(value)))
      end
    end
    if name and not found then
      e.raise { code = "not_found", message = ("no setting %q"):format(name), value = name }
    end
  end,
}
