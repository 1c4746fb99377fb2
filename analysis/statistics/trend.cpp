#include "analysis/statistics/trend.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace halfscope::analysis {

namespace {

constexpr double stray = 4;
constexpr double deviations_of_median = 1.4826; // of a normal distribution

struct Point {
    double x, y;
};

struct Line {
    double mean_x = 0, mean_y = 0, slope = 0, squares = 0;
    [[nodiscard]] double at(double x) const { return mean_y + slope * (x - mean_x); }
};

Line line_through(std::span<const Point> points) {
    Line line;
    for (const Point &p : points) line.mean_x += p.x, line.mean_y += p.y;
    line.mean_x /= static_cast<double>(points.size());
    line.mean_y /= static_cast<double>(points.size());
    double xy = 0;
    for (const Point &p : points) {
        line.squares += (p.x - line.mean_x) * (p.x - line.mean_x);
        xy += (p.x - line.mean_x) * (p.y - line.mean_y);
    }
    line.slope = line.squares > 0 ? xy / line.squares : 0;
    return line;
}

std::vector<Point> without_strays(const std::vector<Point> &points) {
    const Line line = line_through(points);
    std::vector<double> sizes;
    for (const Point &p : points) sizes.push_back(std::abs(p.y - line.at(p.x)));
    std::vector<double> sorted = sizes;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
    const double allowed = stray * deviations_of_median * sorted[sorted.size() / 2];
    std::vector<Point> kept;
    for (std::size_t i = 0; i < points.size(); ++i)
        if (sizes[i] <= allowed || allowed == 0) kept.push_back(points[i]);
    return kept;
}

/// Standard deviation about the line, with the two degrees of freedom that it took.
double deviation_about(const Line &line, std::span<const Point> points, double degrees) {
    double sum = 0;
    for (const Point &p : points) sum += (p.y - line.at(p.x)) * (p.y - line.at(p.x));
    return degrees > 0 ? std::sqrt(sum / degrees) : 0;
}

double neighbour_correlation(const Line &line, std::span<const Point> points) {
    double products = 0, squares = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
        const double r = points[i].y - line.at(points[i].x);
        squares += r * r;
        if (i > 0) products += r * (points[i - 1].y - line.at(points[i - 1].x));
    }
    return squares > 0 ? std::clamp(products / squares, 0.0, 0.95) : 0;
}

/// The geometric series of growth that goes on dying down (header); infinite when it need not die down.
double growth_left(std::span<const Point> points, double deviation, double t) {
    const std::size_t half = points.size() / 2;
    const Line first = line_through(points.first(half)), second = line_through(points.subspan(half));
    if (!(first.squares > 0) || !(second.squares > 0)) return std::numeric_limits<double>::infinity();
    const double width = points.back().x - points[half].x;
    const double sign = second.slope < 0 ? -1 : 1;
    const double before = sign * first.slope * width - t * deviation * width / std::sqrt(first.squares);
    const double after = sign * second.slope * width + t * deviation * width / std::sqrt(second.squares);
    if (!(before > 0) || after >= before) return std::numeric_limits<double>::infinity();
    const double q = after / before;
    return after * q / (1 - q);
}

/// Where a bound of the prediction interval meets the limit: the bound moves with the trend, `towards` is +1 for the
/// end that lies further along it. Bisection to a hundredth of a step; infinity when not before `horizon`.
double meeting(const Trend &trend, double limit, double horizon, double towards) {
    const double sign = trend.per_step < 0 ? -1 : 1;
    const auto left = [&](double x) { return sign * (limit - trend.value_at(x)) - towards * trend.half_interval(x); };
    double low = trend.last_step, high = horizon;
    if (left(low) <= 0) return low;
    if (left(high) > 0) return std::numeric_limits<double>::infinity();
    while (high - low > 0.01) {
        const double middle = 0.5 * (low + high);
        (left(middle) > 0 ? low : high) = middle;
    }
    return high;
}

} // namespace

double student_t975(double degrees) {
    const double z = 1.959963985, d = std::max(degrees, 1.0);
    const double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
    return z + (z3 + z) / (4 * d) + (5 * z5 + 16 * z3 + 3 * z) / (96 * d * d) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * d * d * d);
}

double Trend::half_interval(double step) const {
    if (deviation == 0) return 0;
    const double away = step - mean_step;
    return t * deviation * std::sqrt(1 + 1 / effective_steps + away * away / squares);
}

std::optional<Trend> fit_trend(std::span<const std::int64_t> steps, std::span<const double> log2_values) {
    std::vector<Point> points;
    for (std::size_t i = steps.size() / 2; i < std::min(steps.size(), log2_values.size()); ++i)
        if (std::isfinite(log2_values[i])) points.push_back({static_cast<double>(steps[i]), log2_values[i]});
    if (points.size() < enough_for_a_trend) return std::nullopt;
    const double last = points.back().x;
    points = without_strays(points);
    if (points.size() < enough_for_a_trend) return std::nullopt;
    const Line line = line_through(points);
    if (!(line.squares > 0)) return std::nullopt;

    const auto n = static_cast<double>(points.size());
    const double r = neighbour_correlation(line, points);
    Trend trend;
    trend.effective_steps = std::max(4.0, n * (1 - r) / (1 + r));
    trend.deviation = deviation_about(line, points, n - 2);
    trend.t = student_t975(trend.effective_steps - 2);
    trend.squares = line.squares * trend.effective_steps / n;
    trend.mean_step = line.mean_x;
    trend.last_step = last;
    trend.per_step = line.slope;
    trend.per_step_error = trend.t * trend.deviation / std::sqrt(trend.squares);
    trend.at_end = line.at(last);
    trend.further_growth = growth_left(points, trend.deviation, trend.t);
    return trend;
}

std::optional<Crossing> crossing(const Trend &trend, double limit_log2, double horizon) {
    if (!trend.rises() && !trend.falls()) return std::nullopt;
    const double left = trend.per_step > 0 ? limit_log2 - trend.at_end : trend.at_end - limit_log2;
    if (left > trend.further_growth) return std::nullopt;
    Crossing c;
    c.latest = meeting(trend, limit_log2, horizon, -1);
    if (!std::isfinite(c.latest)) return std::nullopt;
    c.earliest = meeting(trend, limit_log2, horizon, +1);
    c.likeliest = std::max(trend.last_step, trend.last_step + left / std::abs(trend.per_step));
    return c;
}

} // namespace halfscope::analysis
