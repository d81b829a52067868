"""Who may reach what, when and how; knows neither SSH nor HTTP."""
