--- exit: what each code of an error means to the shell.

local M = {}

M.done, M.no, M.strict = 0, 1, 5

local status = {
  [2] = { "usage" },
  [3] = { "not_found", "ambiguous", "unknown_type", "unknown_field" },
  [4] = { "validation", "immutable", "schema", "exists" },
  [6] = { "network", "remote", "blob_absent" },
  [7] = { "script" },
  [8] = { "budget", "needs_scan" },
  [9] = { "busy", "stale", "readonly" },
  [10] = { "untrusted", "unsigned" },
  [11] = { "unrelated", "forked", "version_skew" },
  [12] = { "corrupt" },
  [13] = { "full", "io", "memory" },
  [130] = { "interrupted" },
}

local by_code = {}
for number, codes in pairs(status) do
  for _, code in ipairs(codes) do by_code[code] = number end
end

--- The exit status of an error code.
---@param code string
---@return integer
function M.of(code)
  return by_code[code] or 7
end

return M
