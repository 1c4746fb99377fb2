#include "trace/io/database.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <stdexcept>

namespace halfscope::trace {

Database::Database(const std::string &uri, int flags, std::filesystem::path file) : file_(std::move(file)) {
    sqlite3 *raw = nullptr;
    const int result = sqlite3_open_v2(uri.c_str(), &raw, flags, nullptr);
    handle_.reset(raw); // even a failed open hands out something to close
    if (result != SQLITE_OK) fail("cannot be opened");
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, 10'000);
}

void Database::execute(const char *sql) {
    if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail("cannot be written or read");
}

std::int64_t Database::integer(const char *sql) {
    Statement statement(*this, sql);
    return statement.next() ? statement.integer(0) : 0;
}

void Database::fail(std::string_view doing) const {
    const char *reason = handle_ ? sqlite3_errmsg(handle_.get()) : "out of memory";
    complain(doing, reason);
}

void Database::complain(std::string_view what, std::string_view detail) const {
    std::string message = fmt::format("{}: {} ({})", file_.string(), what, detail);
    // A damaged file's own bytes may appear in the detail: one line, whatever they are.
    for (char &c : message)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    throw std::runtime_error(message);
}

Statement::Statement(Database &database, std::string_view sql) : database_(&database) {
    sqlite3_stmt *raw = nullptr;
    if (sqlite3_prepare_v3(database.handle(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &raw,
                           nullptr) != SQLITE_OK)
        database.fail("is damaged");
    handle_.reset(raw);
}

void Statement::bound(int result) {
    if (result != SQLITE_OK) database_->fail("cannot be written");
    ++next_parameter_;
}

Statement &Statement::operator<<(std::int64_t value) {
    bound(sqlite3_bind_int64(handle_.get(), next_parameter_, value));
    return *this;
}

Statement &Statement::operator<<(double value) {
    bound(std::isnan(value) ? sqlite3_bind_null(handle_.get(), next_parameter_)
                            : sqlite3_bind_double(handle_.get(), next_parameter_, value));
    return *this;
}

Statement &Statement::operator<<(std::string_view value) {
    // An empty view may have a null pointer, which SQLite would take for NULL.
    bound(sqlite3_bind_text64(handle_.get(), next_parameter_, value.empty() ? "" : value.data(), value.size(),
                              SQLITE_STATIC, SQLITE_UTF8));
    return *this;
}

Statement &Statement::operator<<(std::span<const std::uint8_t> value) {
    bound(value.empty()
              ? sqlite3_bind_zeroblob(handle_.get(), next_parameter_, 0)
              : sqlite3_bind_blob64(handle_.get(), next_parameter_, value.data(), value.size(), SQLITE_STATIC));
    return *this;
}

void Statement::run() {
    const int result = sqlite3_step(handle_.get());
    if (result != SQLITE_DONE && result != SQLITE_ROW) {
        // The message must be taken before rewinding; the statement is rewound so that a caller may go on.
        try {
            database_->fail("cannot be written");
        } catch (...) {
            rewind();
            throw;
        }
    }
    rewind();
}

bool Statement::next() {
    const int result = sqlite3_step(handle_.get());
    if (result == SQLITE_ROW) return true;
    if (result != SQLITE_DONE) database_->fail("is damaged or unreadable");
    rewind();
    return false;
}

void Statement::rewind() {
    sqlite3_reset(handle_.get());
    next_parameter_ = 1;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }

double Statement::real(int column) const {
    return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL ? std::numeric_limits<double>::quiet_NaN()
                                                                     : sqlite3_column_double(handle_.get(), column);
}

std::string Statement::text(int column) const {
    const auto *data = reinterpret_cast<const char *>(sqlite3_column_text(handle_.get(), column));
    return data ? std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column)))
                : std::string();
}

std::span<const std::uint8_t> Statement::bytes(int column) const {
    const auto *data = static_cast<const std::uint8_t *>(sqlite3_column_blob(handle_.get(), column));
    return {data, data ? static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column)) : 0};
}

Transaction::Transaction(Database &database) : database_(&database) { database.execute("BEGIN IMMEDIATE"); }

Transaction::~Transaction() {
    if (database_) sqlite3_exec(database_->handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
    database_->execute("COMMIT");
    database_ = nullptr;
}

} // namespace halfscope::trace
