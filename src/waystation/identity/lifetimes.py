"""How long things last, in seconds, in one place."""

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

ACCESS_TOKEN = 30 * MINUTE
LONGEST_ACCESS_TOKEN = HOUR
"""No access token lives longer, whoever it is for: a revocation is only remembered for this long."""
FEDERATED_TOKEN = 15 * MINUTE
"""CI asks for another one where a job takes longer."""
REFRESH_IDLE = 30 * DAY
REFRESH_ABSOLUTE = 90 * DAY
REFRESH_GRACE = 20
"""A spent refresh token gives the same successor again for this long: two tools that refresh at the same
moment, or one whose answer was lost, must not sign each other out."""
BROWSER_IDLE = 7 * DAY
BROWSER_ABSOLUTE = 30 * DAY
BROWSER_TOUCH = 5 * MINUTE
"""A page load only writes `used_at` this often."""

AUTHORIZATION_CODE = 2 * MINUTE
DEVICE_CODE = 10 * MINUTE
DEVICE_POLL = 2
DEVICE_SLOW_DOWN = 5
"""Added to the poll interval each time a device asks too soon (RFC 8628 §3.5)."""
COMPANY_SIGN_IN = 10 * MINUTE
"""How long somebody may take at the company's identity provider."""
WELCOME_LINK = 30 * MINUTE

SIGNING_KEY = 90 * DAY
"""Age at which a new key takes over."""
SIGNING_KEY_LEAD = 10 * MINUTE
"""A new key is published this long before it signs, so that every node knows it in time."""
CLOCK_SKEW = MINUTE
"""How far the clocks of two gateway nodes may be apart."""
