"""The explorer: Streamlit pages over run folders. Installed as `sapo_analysis.app`; started by `sapo app`."""
