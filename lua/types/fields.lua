---@meta prophet.fields

--- The language of record types. `local f = require "prophet.fields"`
---@class prophet.fields
local f = {}

--- What f.record gives; db:define and schema files take it.
---@class prophet.RecordType
---@field name string
---@field fields table[]
---@field indexes string[][]
---@field key? string[]
---@field summary? string
---@field validate? fun(t: prophet.Record, ctx: prophet.HookContext)
---@field queries? table<string, fun(type: prophet.Type, args: any): any>
---@field warnings string[]

--- A field: complete as it is, or called once with its options.
---@alias prophet.Field fun(options: prophet.FieldOptions): prophet.Field

---@class prophet.HookContext
---@field user? string
---@field error fun(field: string, message: string)

--- Options of fields; which a kind takes is checked.
---@class prophet.FieldOptions
---@field required? boolean
---@field default? any               a value, or function(t, ctx)
---@field index? boolean
---@field fulltext? boolean|number   a weight
---@field language? string           whose words are stemmed: "english" if none is given, "none" for none
---@field immutable? boolean
---@field canon? fun(value: any): any
---@field check? fun(value: any): boolean?, string?
---@field rule? "latest"|"first"|"max"|"min"|"longest"
---@field doc? string
---@field hidden? boolean
---@field min? number|string         least value; of text the least length
---@field max? number|string
---@field values? string[]|string    of an enum; "setting:<name>" takes them from a setting
---@field open? boolean              values are recommended only
---@field aliases? table<string, string>
---@field of? string                 kind of the elements of a list or set
---@field to? string                 type a reference points at
---@field type? string               of many: whose references
---@field by? string                 of many: through which field

---@class prophet.RecordOptions
---@field indexes? string[][]
---@field key? string|string[]
---@field summary? string
---@field validate? fun(t: prophet.Record, ctx: prophet.HookContext)
---@field queries? table<string, fun(type: prophet.Type, args: any): any>
---@field doc? string
---@field life? "alive-wins"|"dead-wins"

--- f.record "ticket" { fields and options }
---@param name string
---@return fun(given: table): prophet.RecordType
function f.record(name) end

--- Is this what f.record gives?
---@param value any
---@return boolean
function f.is_record_type(value) end

---@param name string
---@return prophet.Field
function f.string(name) end
---@param name string
---@return prophet.Field
function f.text(name) end
---@param name string
---@return prophet.Field
function f.int(name) end
---@param name string
---@return prophet.Field
function f.float(name) end
---@param name string
---@return prophet.Field
function f.bool(name) end
---@param name string
---@return prophet.Field
function f.bytes(name) end
---@param name string
---@return prophet.Field
function f.time(name) end
--- f.enum "status" { "new", "open", default = "new" }
---@param name string
---@return prophet.Field
function f.enum(name) end
---@param name string
---@return prophet.Field
function f.user(name) end
---@param name string
---@return prophet.Field
function f.ref(name) end
---@param name string
---@return prophet.Field
function f.blob(name) end
---@param name string
---@return prophet.Field
function f.list(name) end
---@param name string
---@return prophet.Field
function f.map(name) end
---@param name string
---@return prophet.Field
function f.set(name) end
---@param name string
---@return prophet.Field
function f.counter(name) end
--- f.computed "overdue"(function(t, now) ... end)
---@param name string
---@return fun(fn: fun(t: prophet.Record, now: prophet.time): any): prophet.Field
function f.computed(name) end
--- f.many "comments" { type = "comment", by = "ticket" }
---@param name string
---@return prophet.Field
function f.many(name) end

return f
