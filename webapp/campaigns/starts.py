"""What a new letter begins with: nothing, a plain letter, or a newsletter in HTML or MJML."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Start:
    label: str
    note: str
    format: str
    body: str


PLAIN = """\
<p>Hello {{ contact.first_name | default: "there" }},</p>

<p>write what you have to say here.</p>

<p>Kind regards<br>{{ sender.name }}</p>

<p><small><a href="{{ unsubscribe_url }}">Unsubscribe</a></small></p>
"""
NEWS = """\
<style>
  body { margin: 0; background: #f3f4f1; font-family: Helvetica, Arial, sans-serif; color: #1f2a2e; }
  .card { max-width: 600px; margin: 0 auto; background: #ffffff; padding: 32px; }
  h1 { font-size: 24px; line-height: 1.25; margin: 0 0 16px; }
  p { font-size: 16px; line-height: 1.5; margin: 0 0 16px; }
  .button { display: inline-block; background: #0f5c63; color: #ffffff; padding: 12px 20px; border-radius: 4px; text-decoration: none; }
  .small { font-size: 13px; color: #566064; }
</style>
<div class="card">
  <h1>What is new this month</h1>
  <p>Hello {{ contact.first_name | default: "there" }},</p>
  <p>one or two sentences that say why this matters to the reader.</p>
  <p><a class="button" href="https://example.com/news">Read on</a></p>
  <p>Kind regards<br>{{ sender.name }}</p>
  <p class="small"><a href="{{ view_in_browser_url }}">Read in the browser</a> · <a href="{{ unsubscribe_url }}">Unsubscribe</a></p>
</div>
"""
MJML = """\
<mjml>
  <mj-head>
    <mj-attributes>
      <mj-all font-family="Helvetica, Arial, sans-serif" color="#1f2a2e" />
    </mj-attributes>
  </mj-head>
  <mj-body background-color="#f3f4f1">
    <mj-section background-color="#ffffff">
      <mj-column>
        <mj-text font-size="24px">What is new this month</mj-text>
        <mj-text font-size="16px" line-height="1.5">Hello {{ contact.first_name | default: "there" }}, one or two sentences.</mj-text>
        <mj-button background-color="#0f5c63" color="#ffffff" href="https://example.com/news">Read on</mj-button>
        <mj-text font-size="13px" color="#566064"><a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""
STARTS = {
    "news": Start("Newsletter", "HTML with a heading, a button and a footer", "html", NEWS),
    "mjml": Start("Newsletter in MJML", "Made into HTML that fits every mail program", "mjml", MJML),
    "plain": Start("Plain letter", "A few paragraphs", "html", PLAIN),
    "empty": Start("Empty", "Paste a letter of your own", "html", ""),
}
