/** A run's conclusion, as far as it is shown. A score is missing where nobody could tell. */
record Report(String label, Double score, String summary) {}
