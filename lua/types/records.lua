---@meta prophet

--- A record type: `db.types.ticket`
---@class prophet.Type
---@field name string
local type = {}

--- A new record.
---@param fields table<string, any>
---@return prophet.Record
function type:create(fields) end

--- A record by local number, id or unique tail of an id; nil if there is none.
---@param name string|integer
---@return prophet.Record?
function type:get(name) end

--- The same, but raises `not_found`.
---@param name string|integer
---@return prophet.Record
function type:must(name) end

--- A query: lazy, reusable.
---@param where? table
---@return prophet.Query
function type:find(where) end

--- A query the schema names.
---@param name string
---@param args? table
---@return any
function type:query(name, args) end

--- The record with this key, made or changed.
---@param key table<string, any>
---@param fields table<string, any>
---@return prophet.Record
function type:upsert(key, fields) end

--- Changes a record.
---@param record string|integer|prophet.Record
---@param fields table<string, any>
---@return prophet.Record
function type:update(record, fields) end

--- Deletes a record.
---@param record string|integer|prophet.Record
function type:delete(record) end

--- How many records fit.
---@param where? table
---@return integer
function type:count(where) end

--- What the type is: name, fields, indexes, key, summary.
---@return table
function type:schema() end

--- A record as it was read. It never changes: verbs give the next snapshot.
---@class prophet.Record
---@field id string
---@field n integer                  its number on this replica
---@field type string
---@field version integer
---@field [string] any               fields; an unknown name raises `unknown_field`
local record = {}

--- A field's value; of a reference the id.
---@param name string
---@return any
function record:get(name) end

--- All fields as a plain table.
---@return table<string, any>
function record:fields() end

--- Sets fields; `stale` if one of them changed since this snapshot.
---@param fields table<string, any>
---@param options? { force: boolean? }
---@return prophet.Record
function record:set(fields, options) end

--- Takes values away.
---@param ... string
---@return prophet.Record
function record:unset(...) end

--- Adds to a set.
---@param field string
---@param ... any
---@return prophet.Record
function record:add(field, ...) end

--- Takes from a set.
---@param field string
---@param ... any
---@return prophet.Record
function record:remove(field, ...) end

--- Adds to a counter.
---@param field string
---@param by? integer
---@return prophet.Record
function record:incr(field, by) end

--- Sets a field to what fn makes of it.
---@param field string
---@param fn fun(old: any): any
---@return prophet.Record
function record:edit(field, fn) end

--- Deletes the record; its history stays.
---@return prophet.Record
function record:delete() end

--- Brings a deleted record back.
---@return prophet.Record
function record:restore() end

--- What happened to it, oldest first.
---@return fun(): prophet.Step?
function record:history() end

--- Who is behind what each field shows.
---@return table<string, { value: any, changeset: string, author: string?, time: prophet.Time, replica: string, decided_by: string? }>
function record:blame() end

--- Its conflicts.
---@param options? prophet.ConflictOptions
---@return fun(): prophet.Conflict?
function record:conflicts(options) end

---@class prophet.Step
---@field id string
---@field version integer
---@field time prophet.Time
---@field author? string
---@field message? string
---@field replica string
---@field action? "create"|"update"|"delete"
---@field changes { field: string, op: string, old: any, new: any }[]

--- A query is a value: each method gives a new one, or an answer.
---@class prophet.Query
local query = {}

--- More conditions: all are to hold.
---@param where table
---@return prophet.Query
function query:where(where) end

--- Sorts: field names, descending with a leading "-".
---@param ... string
---@return prophet.Query
function query:order(...) end

--- So many at most.
---@param count integer
---@return prophet.Query
function query:limit(count) end

--- Allows it to read everything.
---@return prophet.Query
function query:scan() end

--- for t in q:each() do
---@return fun(): prophet.Record?
function query:each() end

---@return prophet.Record[]
function query:all() end

---@return prophet.Record?
function query:first() end

--- The only record; raises `not_found` or `ambiguous`.
---@return prophet.Record
function query:one() end

---@return integer
function query:count() end

---@return boolean
function query:exists() end

--- Conditions, for the values of find and where.
---@class prophet.q
local q = {}

function q.eq(value) end
function q.ne(value) end
function q.lt(value) end
function q.le(value) end
function q.gt(value) end
function q.ge(value) end
function q.between(low, high) end
function q.one_of(...) end
function q.none_of(...) end
function q.has(value) end
function q.has_any(...) end
function q.has_all(...) end
function q.prefix(text) end
function q.contains(text) end
function q.present() end
function q.missing() end
--- Any of the conditions: an entry without a key.
function q.any(conditions) end
--- All of them.
function q.all(conditions) end
--- None of them.
function q.none(conditions) end
--- A Lua function of the record.
---@param fn fun(record: prophet.Record): boolean
function q.fn(fn) end
