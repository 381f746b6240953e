--- progress: a line on standard error that says how far long work is, where that is a terminal; and interrupts, which end the work, not the program.

local e = require "prophet.error"

local M = {}

local WIDTH, EVERY_MS = 30, 100
local of_bytes = { rebuild = true, fetch = true, get = true, put = true, push = true }
local units = { "B", "KB", "MB", "GB", "TB" }

--- A number of bytes for people.
---@param n number
---@return string
function M.bytes(n)
  local unit = 1
  while n >= 1000 and unit < #units do
    n, unit = n / 1000, unit + 1
  end
  return ((unit == 1 or n >= 100) and "%.0f %s" or "%.1f %s"):format(n, units[unit])
end

local function amount(stage, n)
  return of_bytes[stage] and M.bytes(n) or ("%d"):format(n)
end

--- The line: "changesets [#####.....] 50 % 500 of 1000".
---@param stage string
---@param done integer
---@param total integer  0 or less: not known
---@return string
function M.line(stage, done, total)
  if stage == "wait" then return "waiting" end
  if total <= 0 then return ("%s %s"):format(stage, amount(stage, done)) end
  local part = math.min(done / total, 1)
  local full = math.floor(part * WIDTH)
  return ("%s [%s%s] %3d %% %s of %s"):format(stage, ("#"):rep(full), ("."):rep(WIDTH - full), math.floor(part * 100),
    amount(stage, done), amount(stage, total))
end

local function is_shown(ctx, core)
  return ctx.stderr == io.stderr and core.is_terminal(2) and not ctx.options.quiet and not ctx.options.json
end

--- Runs fn(tell); `tell` is the option `progress` of an exchange. What was drawn is gone when it ends, however it ends.
---@param ctx prophet.cli.Context
---@param fn fun(tell: function): any
---@return any ...
function M.run(ctx, fn)
  local core = require "prophet.core" -- here, since help loads commands without the engine
  local shown, drawn, last, at = is_shown(ctx, core), false, 0, nil
  local function tell(stage, done, total)
    if core.interrupted() then e.raise { code = "interrupted", message = "interrupted" } end
    if not shown then return end
    local now = core.time().ms
    if stage == at and now - last < EVERY_MS then return end
    last, drawn, at = now, true, stage
    ctx.stderr:write("\r", M.line(stage, done, total), "\27[K")
    ctx.stderr:flush()
  end
  core.end_well(true)
  local result = table.pack(pcall(fn, tell))
  core.end_well(false)
  if drawn then ctx.stderr:write "\r\27[K" end
  if not result[1] then error(result[2], 0) end
  return table.unpack(result, 2, result.n)
end

return M
