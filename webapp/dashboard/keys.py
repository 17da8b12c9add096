"""The keyboard shortcuts in words; the script that hears them is `static/mailroom.js`, and a test keeps both the same."""

#: (title, [(keys one after another, what they do)])
KEYS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Anywhere", (("/", "Search"), ("?", "This help"), ("u", "Undo what the last message offers to undo"))),
    ("In a list", (("j", "Next row"), ("k", "Row before"), ("x", "Pick the row"), ("e", "The row's first action"), ("Enter", "Open"))),
    (
        "In the search box",
        (("↓", "Next hit"), ("↑", "Hit before"), ("Enter", "Open the hit, or everything that was found"), ("Esc", "Close the list")),
    ),
    (
        "Go to",
        (
            ("g h", "Home"), ("g s", "Search"), ("g m", "Mail"), ("g w", "Write mail"), ("g r", "Routes"), ("g l", "Route log"),
            ("g c", "Contacts"), ("g q", "Sending log"), ("g d", "Domains"), ("g b", "Mailboxes"), ("g p", "Members"),
            ("g t", "Tokens"), ("g a", "Audit log"), ("g x", "Trash"), ("g y", "Your account"),
        ),
    ),
)  # fmt: skip
