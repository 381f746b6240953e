--- take_back: what `prophet revert` and `prophet undo` share.

local exit = require "prophet.cli.exit"

local M = {}

--- Runs fn, which takes a changeset back, or only tries it with --dry-run. Ends with 1 if nothing of it was left.
---@param ctx table
---@param db table
---@param fn fun(): any  the changeset that does it, or nil
---@return integer status
function M.run(ctx, db, fn)
  local done
  if ctx.options.dry_run then
    done = ctx:change(db, nil, fn)
  else
    done = fn() -- its message names what is taken back
  end
  if not done then
    ctx:say "nothing of it is left"
    return exit.no
  end
  if ctx.options.dry_run then
    ctx:result({ dry_run = true, changeset = done }, not ctx.options.quiet and "would take back " .. tostring(done) or nil)
  else
    ctx:result(done, not ctx.options.quiet and tostring(done) or nil)
  end
  return exit.done
end

return M
